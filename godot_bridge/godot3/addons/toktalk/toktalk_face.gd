# Drives the blend shapes of a model by TokTalk's face, and plays the sound that the face belongs to (Godot 3.2 or
# newer).
#
# Put it below the model, or set `model`. It finds the targets by ARKit's names and the head by its name, follows the
# first stream of the bridge unless `stream` names one, and comes back by itself when the connection is lost.
class_name ToktalkFace, "icon.svg"
extends Node

signal bridge_found  # the connection is there
signal bridge_lost
signal names_missing(names)  # blend shapes that the model does not have, once
signal happened(kind, data)  # an event of the stream: start, end, interrupted, style, underrun, fault
signal answered(topic, body)  # a reply to interrupt() or set_style()

const Wire = preload("wire.gd")
const ClockFilter = preload("clock.gd")
const Playout = preload("playout.gd")
const Names = preload("names.gd")
const Idle = preload("idle.gd")

const AHEAD = 0.2  # s of sound kept in the engine while the stream speaks
const IDLE_AHEAD = 0.05  # s of silence otherwise: what sound that begins waits at most
const BUFFER = 0.5  # s that the engine can hold
const TAKEN = 256  # samples that the engine's resampler has taken when it mixes (AudioStreamPlaybackResampled)
const CLOCK_SAMPLES = 8  # exchanges after connecting, one in each picture
const CLOCK_INTERVAL = 5.0  # s between later ones
const CLOCK_WAIT = 3000000  # ns that a picture waits for the answer: one that is read in the next seems to come late
const FIRST_RETRY = 0.1  # s
const LAST_RETRY = 2.0
const TIMEOUT = 5.0  # s to connect

# Where `toktalk web`, `toktalk demo` or the node's viewer serves its page, with /ws.
export var url = "ws://127.0.0.1:8765/ws"
# Which stream to follow; the first one that the bridge names when empty.
export var stream = ""
# The model; this node's parent when empty.
export var model = NodePath("")
# What turns with the head; found by its name when empty: a node, or a Skeleton with `head_bone`.
export var head = NodePath("")
export var head_bone = ""
# Whether to play the sound. Without it the face keeps to the bridge's clock.
export var sound = true
export var bus = "Master"
# Whether the eyes blink and look around a little while nobody speaks.
export var idle = true

var wire = Wire.new()
var clock = ClockFilter.new()
var playout = Playout.new()
# Names of the blend shapes, in the order of `weights`; those that the model lacks.
var names = []
var missing = []
# What set_style() can be asked for, where the bridge tells.
var styles = []
# What is shown now: weights in [0, 1]; yaw, pitch, roll in radians.
var weights = []
var angles = [0.0, 0.0, 0.0]
# The time that is heard, ns on the bridge's clock, when that was read (this machine's clock, ns), and whether the
# stream has a face at that time.
var heard_ns = 0
var heard_at_ns = 0
var speaking = false
var connected = false
var reconnections = 0

var _socket = null
var _since_retry = 0.0
var _retry = FIRST_RETRY
var _since_clock = 0.0
var _exchanges = 0  # that are due at once
var _asked = {}  # id of a clock request -> when it was sent, ns
var _bridge = ""
var _idle = Idle.new()
var _player = null
var _playback = null
var _capacity = 0
var _bindings = []  # [mesh, property, index of the weight]
var _head_node = null
var _head_bone = -1
var _head_rest = Basis()
var _head_above = Basis()


func _ready():
	_player = AudioStreamPlayer.new()
	_player.bus = bus
	add_child(_player)
	bind_model()
	_connect_to_bridge()


func _exit_tree():
	if _socket != null:
		_socket.disconnect_from_host()


func _process(delta):
	_poll(delta)
	_feed()
	heard_at_ns = _ticks()
	heard_ns = playout.pts_of(_heard_index(), heard_at_ns + clock.offset_ns)
	speaking = playout.pose(heard_ns, weights, angles)
	if speaking:
		_idle.rouse(heard_at_ns * 1e-9)
	elif idle:
		_idle.apply(heard_at_ns * 1e-9, weights)
	_apply()


# Stop speaking (barge-in); `answered` tells what became of it.
func interrupt():
	var played = -1 if playout.epoch_ns == null else int(max(0, heard_ns - playout.epoch_ns))
	_send("interrupt", {"stream": stream, "played_ns": played})


# Speak in the style called `style` from now on.
func set_style(style):
	_send("set_style", {"stream": stream, "style": style})


# Counters since the node began.
func stats():
	return {
		"connected": connected,
		"reconnections": reconnections,
		"frames": playout.frames_taken,
		"samples": playout.samples_taken,
		"late_frames": playout.late_frames,
		"underruns": playout.underruns,
		"overflows": playout.overflows,
		"lost": wire.lost,
		"errors": wire.errors,
		"clock_offset_ns": clock.offset_ns,
		"clock_delay_ns": clock.delay_ns,
	}


# Find the targets and the head again, after the model was changed.
func bind_model():
	var root = get_node(model) if not model.is_empty() else get_parent()
	var meshes = []
	var heads = []
	_collect(root, root, meshes, heads)
	var found = {}
	_bindings = []
	for mesh in meshes:
		var targets = []
		for i in range(mesh.mesh.get_blend_shape_count()):
			targets.append(mesh.mesh.get_blend_shape_name(i))
		var matched = Names.match_all(names, targets)
		for i in range(targets.size()):
			if matched[i] >= 0:
				_bindings.append([mesh, "blend_shapes/" + targets[i], matched[i]])
				found[names[matched[i]]] = true
	var absent = []
	for name in names:
		if not found.has(name):
			absent.append(name)
	if absent != missing:
		missing = absent
		if absent.size() > 0:
			push_warning("TokTalk: the model lacks %d blend shapes: %s" % [absent.size(), str(absent)])
			emit_signal("names_missing", absent)
	_bind_head(root, heads)


func _collect(root, node, meshes, heads):
	if node is MeshInstance:
		if node.mesh != null and node.mesh.has_method("get_blend_shape_count"):
			if node.mesh.get_blend_shape_count() > 0:
				meshes.append(node)
	elif node is Skeleton:
		for bone in range(node.get_bone_count()):
			if Names.plain(node.get_bone_name(bone)).ends_with("head"):
				heads.push_front([node, bone])
	elif node is Spatial and node != root and Names.plain(node.name).ends_with("head"):
		heads.append([node, -1])
	for child in node.get_children():
		_collect(root, child, meshes, heads)


func _bind_head(root, heads):
	_head_node = null
	if not head.is_empty():
		var chosen = get_node(head)
		heads = [[chosen, chosen.find_bone(head_bone) if chosen is Skeleton else -1]]
	if heads.size() == 0:
		return
	_head_node = heads[0][0]
	_head_bone = heads[0][1]
	var above = Basis()
	if _head_bone >= 0:
		var bone = _head_node.get_bone_parent(_head_bone)
		while bone >= 0:
			above = _head_node.get_bone_rest(bone).basis * above
			bone = _head_node.get_bone_parent(bone)
		_head_rest = _head_node.get_bone_rest(_head_bone).basis
		above = _head_node.transform.basis * above
	else:
		_head_rest = _head_node.transform.basis
	var node = _head_node.get_parent()
	while node != null and node != root and node is Spatial:
		above = node.transform.basis * above
		node = node.get_parent()
	_head_above = above.orthonormalized()


func _apply():
	for binding in _bindings:
		binding[0].set(binding[1], weights[binding[2]])
	if _head_node == null:
		return
	var turn = Basis(Vector3.UP, angles[0]) * Basis(Vector3.RIGHT, -angles[1]) * Basis(Vector3.BACK, -angles[2])
	var local = _head_above.inverse() * turn * _head_above
	if _head_bone >= 0:
		# a bone's pose comes after its rest
		var rest = _head_rest.orthonormalized()
		_head_node.set_bone_pose(_head_bone, Transform(rest.inverse() * local * rest, Vector3.ZERO))
	else:
		_head_node.transform.basis = local * _head_rest


func _ticks():
	return OS.get_ticks_usec() * 1000


# ---- the connection ----


func _connect_to_bridge():
	_socket = WebSocketClient.new()
	_socket.set_buffers(8192, 1024, 64, 64)
	_since_retry = 0.0
	var query = "" if stream == "" else "?stream=" + stream.percent_encode()
	if _socket.connect_to_url(url + query) != OK:
		push_warning("TokTalk: %s is no address of a WebSocket" % url)


func _poll(delta):
	_since_retry += delta
	var status = _socket.get_connection_status()
	if status != NetworkedMultiplayerPeer.CONNECTION_DISCONNECTED:
		_socket.poll()
		status = _socket.get_connection_status()
	if _is_open():
		if not connected:
			_begin()
		_read()
		_since_clock += delta
		if _exchanges > 0 or _since_clock > CLOCK_INTERVAL:
			_exchanges = int(max(0, _exchanges - 1))
			_ask_clock()
	else:
		if connected:
			connected = false
			emit_signal("bridge_lost")
			_since_retry = 0.0
		var waits = status == NetworkedMultiplayerPeer.CONNECTION_CONNECTING and _since_retry < TIMEOUT
		if not waits and _since_retry > _retry:
			_retry = min(2 * _retry, LAST_RETRY)
			reconnections += 1
			_connect_to_bridge()


func _is_open():
	return _socket.get_connection_status() == NetworkedMultiplayerPeer.CONNECTION_CONNECTED


func _begin():
	connected = true
	_retry = FIRST_RETRY
	_socket.get_peer(1).set_write_mode(WebSocketPeer.WRITE_MODE_BINARY)
	_asked = {}
	clock.clear()
	_send("hello", {"client": "toktalk godot 3"})
	_exchanges = CLOCK_SAMPLES
	emit_signal("bridge_found")


func _ask_clock():
	_since_clock = 0.0
	if _asked.size() > 100:
		_asked = {}
	var sent = _ticks()
	_send("clock", {"t1_ns": sent})
	_asked[wire.last_id()] = sent
	while _is_open() and _asked.has(wire.last_id()) and _ticks() < sent + CLOCK_WAIT:
		OS.delay_usec(100)
		_socket.poll()
		if _is_open():
			_read()


func _send(topic, fields):
	if connected:
		_socket.get_peer(1).put_packet(wire.request(topic, fields))


func _read():
	var peer = _socket.get_peer(1)
	while peer.get_available_packet_count() > 0:
		var message = wire.decode(peer.get_packet())
		if message == null:
			if wire.errors == 1:
				push_warning("TokTalk: a message was refused: %s" % wire.error)
		elif message["stream"] == "":
			_reply(message["kind"], message["body"])
		else:
			_published(message)


func _reply(kind, body):
	match kind:
		"hello":
			_hello(body)
		"clock":
			if _asked.has(body["id"]) and body["t1_ns"] == _asked[body["id"]]:
				_asked.erase(body["id"])
				_bridge_is(body["bridge"])
				clock.add(body["t1_ns"], body["t2_ns"], body["t3_ns"], _ticks())
		_:
			emit_signal("answered", kind, body)


# Another run of the bridge has other streams, and another clock.
func _bridge_is(bridge):
	if bridge == null or bridge == _bridge:
		return
	if _bridge != "":
		wire.forget_sequence(stream)
		clock.clear()
		_send("hello", {"client": "toktalk godot 3"})
	_bridge = bridge


func _hello(body):
	styles = body["styles"] if body["styles"] != null else []
	if body["bridge"] != null:
		if body["bridge"] != _bridge:
			wire.forget_sequence(stream)
		_bridge = body["bridge"]
	if body["names"] != names:
		names = body["names"]
		weights = []
		for _i in range(names.size()):
			weights.append(0.0)
		playout.names = names
		_idle.bind(names)
		bind_model()
	for info in body["streams"]:
		if _follows(info["name"]) and info["face"] != null and info["face"]["width"] == names.size():
			playout.still(info["face"], info["speaking"] != null and not info["speaking"])


# Whether `name` is the stream that this node follows; the first one that comes is, where none was named.
func _follows(name):
	if stream == "":
		stream = name
	return stream == name


func _published(message):
	if not _follows(message["stream"]):
		return
	wire.note_sequence(message)
	if not clock.is_set():
		return
	var body = message["body"]
	var now = _ticks() + clock.offset_ns
	match message["kind"]:
		"face":
			if body["width"] != names.size():
				wire.errors += 1
			else:
				playout.face(body, now, heard_ns)
		"audio":
			if sound:
				if _playback == null:
					_start_output()
				var lag = (playout.written - _heard_index()) / playout.rate
				playout.audio(body, now, int(lag * Playout.SECOND))
		"event":
			_event(body)


func _event(body):
	match body["kind"]:
		"start", "end":
			playout.turn(body["pts_ns"], body["kind"] == "end")
		"styles":
			_send("hello", {"client": "toktalk godot 3"})
		"interrupted":
			if playout.cut(body["pts_ns"]):
				_start_output()
		"gone":
			wire.forget_sequence(stream)
			playout.clear()
			if _playback != null:
				_start_output()
	emit_signal("happened", body["kind"], body["data"])


# ---- the sound ----


# A fresh output: the engine fades the old one out and drops what waits in it.
func _start_output():
	var rate = int(AudioServer.get_mix_rate())
	var generator = AudioStreamGenerator.new()
	generator.mix_rate = rate
	generator.buffer_length = BUFFER
	_player.stop()
	_player.stream = generator
	_player.play()
	_playback = _player.get_stream_playback()
	_capacity = _playback.get_frames_available()
	playout.restart(rate)


func _feed():
	if _playback == null:
		return
	if not _player.playing:
		_start_output()
	var queued = _capacity - _playback.get_frames_available()
	for sample in playout.pull(playout.wanted(queued, IDLE_AHEAD * playout.rate, AHEAD * playout.rate)):
		_playback.push_frame(Vector2(sample, sample))


# The sample that leaves the loudspeaker now.
func _heard_index():
	if _playback == null:
		return 0.0
	# the mixer must not run between the two
	AudioServer.lock()
	var queued = _capacity - _playback.get_frames_available()
	var since = AudioServer.get_time_since_last_mix()
	AudioServer.unlock()
	return playout.heard_index(queued, TAKEN, since, _ticks()) - AudioServer.get_output_latency() * playout.rate
