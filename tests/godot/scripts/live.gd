# A model with blend shapes below a ToktalkFace, in real time: prints one ROW for each picture, and what happens.
extends SceneTree

const Face = preload("res://addons/toktalk/toktalk_face.gd")


# Runs after the face in every picture: what was applied, and what the mixer has put out by then.
class Probe:
	extends Node

	var describe
	var face
	var mesh
	var head
	var record
	var rows = 0
	var _counter

	# A silent player at the mixer's rate: its position counts, to the sample, what the mixer has put out.
	func count():
		var generator = AudioStreamGenerator.new()
		generator.mix_rate = AudioServer.get_mix_rate()
		_counter = AudioStreamPlayer.new()
		_counter.stream = generator
		add_child(_counter)
		_counter.play()

	func _process(_delta):
		AudioServer.lock()
		var since = AudioServer.get_time_since_last_mix()
		var mixed = _counter.get_playback_position() if _counter != null else 0.0
		var ticks = OS.get_ticks_usec() * 1000
		AudioServer.unlock()
		var shown = {}
		for i in range(mesh.mesh.get_blend_shape_count()):
			var name = mesh.mesh.get_blend_shape_name(i)
			shown[name] = mesh.get("blend_shapes/" + name)
		var row = {
			"mixed": mixed,
			"since": since - AudioServer.get_output_latency(),
			"ticks_ns": ticks,
			"heard_at_ns": face.heard_at_ns,
			"shown": shown,
			"heard_ns": face.heard_ns,
			"offset_ns": face.clock.offset_ns,
			"speaking": face.speaking,
			"head": _numbers(head.global_transform.basis.get_rotation_quat()),
			"loud": AudioServer.get_bus_peak_volume_left_db(0, 0),
		}
		if record != null and rows % 20 == 19:
			row["recorded"] = record.get_recording().data.size() / 4
		print("ROW ", describe.json(row))
		rows += 1

	func _numbers(q):
		return [q.x, q.y, q.z, q.w]


var _describe = load(OS.get_environment("DESCRIBE"))
var _face = Face.new()
var _probe


func _init():
	Engine.target_fps = 60
	var model = Spatial.new()
	model.rotation_degrees = Vector3(0, 30, 0)  # a model stands as it likes; its head turns about its own axes
	var head = Spatial.new()
	head.name = "mixamorig_Head"
	head.rotation_degrees = Vector3(10, 20, 30)
	var mesh = MeshInstance.new()
	mesh.mesh = _mesh(OS.get_environment("SHAPES").split(" ", false))
	head.add_child(mesh)
	model.add_child(head)
	get_root().add_child(model)
	_face.url = OS.get_environment("URL")
	_face.idle = OS.get_environment("IDLE") != "off"
	for kind in ["bridge_found", "bridge_lost"]:
		_face.connect(kind, self, "_said", [kind])
	_face.connect("names_missing", self, "_missing")
	_face.connect("happened", self, "_happened")
	_face.connect("answered", self, "_answered")
	model.add_child(_face)
	var probe = Probe.new()
	if OS.get_environment("RECORD") != "":
		probe.record = AudioEffectRecord.new()
		AudioServer.add_bus_effect(0, probe.record)
		probe.record.set_recording_active(true)
	probe.describe = _describe
	probe.face = _face
	probe.mesh = mesh
	probe.head = head
	get_root().add_child(probe)
	_probe = probe
	if probe.record != null:
		probe.count()
	var timer = create_timer(float(OS.get_environment("SECONDS")))
	timer.connect("timeout", self, "_end")
	if OS.get_environment("INTERRUPT") != "":
		create_timer(float(OS.get_environment("INTERRUPT"))).connect("timeout", _face, "interrupt")


func _mesh(names):
	var mesh = ArrayMesh.new()
	for name in names:
		mesh.add_blend_shape(name)
	var arrays = []
	arrays.resize(Mesh.ARRAY_MAX)
	arrays[Mesh.ARRAY_VERTEX] = PoolVector3Array([Vector3(0, 0, 0), Vector3(1, 0, 0), Vector3(0, 1, 0)])
	var shapes = []
	for _name in names:
		shapes.append(arrays.duplicate(true))
	mesh.add_surface_from_arrays(Mesh.PRIMITIVE_TRIANGLES, arrays, shapes)
	return mesh


func _said(kind):
	print("SAID ", kind)


func _missing(names):
	print("MISSING ", _describe.json(names))


func _happened(kind, data):
	print("EVENT ", kind, " ", _describe.json(data))


func _answered(topic, body):
	print("ANSWER ", topic, " ", _describe.json(body))


func _end():
	if _probe.record != null:
		_probe.record.get_recording().save_to_wav(OS.get_environment("RECORD"))
		# the engine crashes when it ends while it records
		_probe.record.set_recording_active(false)
		_probe.record = null
		AudioServer.remove_bus_effect(0, 0)
	print("STYLES ", _describe.json(_face.styles))
	print("STATS ", _describe.json(_face.stats()))
	print("DONE")
	quit()
