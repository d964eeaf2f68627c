# The wire of toktalk_node/bridge/protocol.py over a WebSocket: one byte with the topic's length, topic, body.
#
# It turns packets into checked messages and requests into packets; what is wrong is counted, never fatal. Written in
# what the languages of Godot 3 and Godot 4 share: the same file serves both.

const Msgpack = preload("msgpack.gd")

const VERSION = 1
const MAX_BODY = 4194304
const MAX_FRAMES = 1024
const MAX_WIDTH = 512
const MAX_SAMPLES = 192000
const MAX_STREAMS = 256
const MAX_STYLES = 256
const MAX_TEXT = 256
const MAX_DATA = 64
const MAX_NAME = 64
const LARGEST = 9223372036854775807

# kind -> rows of [field, type, least, most, may be absent]; of texts and lists the bounds are lengths
const FIELDS = {
	"face": [
		["seq", "int", 0, LARGEST, false],
		["pts_ns", "int", -LARGEST, LARGEST, false],
		["fps", "int", 1, 1000, false],
		["start", "int", -LARGEST, LARGEST, false],
		["count", "int", 0, MAX_FRAMES, false],
		["width", "int", 1, MAX_WIDTH, false],
		["weights", "bin", 0, 0, false],
		["head", "bin", 0, 0, false],
	],
	"audio": [
		["seq", "int", 0, LARGEST, false],
		["pts_ns", "int", -LARGEST, LARGEST, false],
		["rate", "int", 1000, 384000, false],
		["start", "int", -LARGEST, LARGEST, false],
		["count", "int", 0, MAX_SAMPLES, false],
		["samples", "bin", 0, 0, false],
	],
	"event": [
		["seq", "int", 0, LARGEST, false],
		["pts_ns", "int", -LARGEST, LARGEST, false],
		["kind", "text", 0, MAX_TEXT, false],
		["data", "map", 0, MAX_DATA, true],
	],
	"hello": [
		["id", "int", 0, LARGEST, false],
		["names", "list", 0, MAX_WIDTH, false],
		["head", "list", 0, 3, false],
		["streams", "list", 0, MAX_STREAMS, false],
		["pub_port", "int", 1, 65535, false],
		["bridge", "text", 0, MAX_TEXT, true],
		["styles", "list", 0, MAX_STYLES, true],
	],
	"stream": [
		["name", "text", 0, MAX_NAME, false],
		["fps", "int?", 1, 1000, true],
		["audio_rate", "int?", 1000, 384000, true],
		["epoch_ns", "int?", -LARGEST, LARGEST, true],
		["speaking", "bool", 0, 0, true],
		["style", "text", 0, MAX_TEXT, true],
		["face", "map", 0, LARGEST, true],
	],
	"clock": [
		["id", "int", 0, LARGEST, false],
		["t1_ns", "int", -LARGEST, LARGEST, false],
		["t2_ns", "int", -LARGEST, LARGEST, false],
		["t3_ns", "int", -LARGEST, LARGEST, false],
		["bridge", "text", 0, MAX_TEXT, true],
	],
	"interrupt": [
		["id", "int", 0, LARGEST, false],
		["played_frames", "int", 0, LARGEST, false],
		["dropped_frames", "int", 0, LARGEST, false],
	],
	"set_style": [["id", "int", 0, LARGEST, false]],
	"ping": [["id", "int", 0, LARGEST, false]],
	"error": [["id", "int", 0, LARGEST, false], ["error", "text", 0, MAX_TEXT, false]],
}

# What the rows of FIELDS call the types of this language.
var TYPES = {
	"int": typeof(0),
	"int?": typeof(0),
	"text": typeof(""),
	"list": typeof([]),
	"map": typeof({}),
	"bool": typeof(true),
	"bin": typeof(StreamPeerBuffer.new().data_array),
}

# Messages that were refused, and those that never came (gaps in the sequence numbers).
var errors = 0
var lost = 0
# Why the last message was refused; empty when it was taken.
var error = ""

var _msgpack = Msgpack.new()
var _next_id = 1
var _seq = {}


# {"topic", "kind", "stream", "body"} of a packet, or null when it was refused: then `error` says why. `stream` is empty
# in a reply. Bulk numbers are arrays of floats.
func decode(packet):
	var length = packet[0] if packet.size() > 0 else 0
	if packet.size() < 1 + length:
		return _refuse("a packet of %d bytes with a topic of %d" % [packet.size(), length])
	var buffer = StreamPeerBuffer.new()
	buffer.data_array = packet
	buffer.seek(1)
	var topic = buffer.get_data(length)[1]
	return decode_parts(topic, buffer.get_data(packet.size() - 1 - length)[1])


# The same for the two parts of a message, `topic` and `body` in bytes.
func decode_parts(topic, body):
	error = ""
	if not Msgpack.is_utf8(topic):
		return _refuse("a topic that is not UTF-8")
	var name = topic.get_string_from_utf8()
	var kind = name
	var stream = ""
	var slash = name.find("/")
	if slash >= 0:
		kind = name.substr(0, slash)
		stream = name.substr(slash + 1, name.length())
	var published = kind == "face" or kind == "audio" or kind == "event"
	if not FIELDS.has(kind) or kind == "stream" or (slash >= 0) != published:
		return _refuse("an unknown topic %s" % name.substr(0, 40))
	if published and not is_stream_name(stream):
		return _refuse("no name of a stream: %s" % stream.substr(0, 80))
	if body.size() > MAX_BODY:
		return _refuse("a body of %d bytes" % body.size())
	var message = _msgpack.decode(body)
	if _msgpack.error != "":
		return _refuse(_msgpack.error)
	if typeof(message) != TYPES["map"]:
		return _refuse("a body that is no map")
	if typeof(message.get("v")) != TYPES["int"]:
		return _refuse("a message without a version")
	if message["v"] != VERSION:
		var older = "this add-on" if message["v"] > VERSION else "the bridge"
		return _refuse("a message of version %d, this is %d: update %s" % [message["v"], VERSION, older])
	if not _checked(message, kind):
		return null
	return {"topic": name, "kind": kind, "stream": stream, "body": message}


# Count what the sequence number of `message` says was lost.
func note_sequence(message):
	var seq = message["body"]["seq"]
	lost += int(max(seq - _seq.get(message["topic"], seq), 0))
	_seq[message["topic"]] = seq + 1


# Forget sequence numbers: another bridge, or another stream of that name.
func forget_sequence(stream):
	for kind in ["face", "audio", "event"]:
		_seq.erase(kind + "/" + stream)


# The packet of a request; its id is `last_id()` afterwards.
func request(topic, fields):
	var body = {"v": VERSION, "id": _next_id}
	for name in fields:
		body[name] = fields[name]
	_next_id += 1
	var out = StreamPeerBuffer.new()
	var name_bytes = Msgpack.text_bytes(topic)
	out.put_u8(name_bytes.size())
	out.put_data(name_bytes)
	out.put_data(_msgpack.encode(body))
	return out.data_array


func last_id():
	return _next_id - 1


# Whether a stream may be called `name`: 1 to 64 characters without spaces.
static func is_stream_name(name):
	return name.length() > 0 and name.length() <= MAX_NAME and name.find(" ") < 0 and name.find("\n") < 0


func _refuse(text):
	errors += 1
	error = text
	return null


# Whether `message` is a whole message of `kind`; its floats are unpacked, and what may be absent is null.
func _checked(message, kind):
	for row in FIELDS[kind]:
		var name = row[0]
		if not message.has(name):
			if not row[4]:
				_refuse("%s without %s" % [kind, name])
				return false
			message[name] = {} if name == "data" else null
			continue
		var value = message[name]
		if value == null and row[1] == "int?":
			continue
		if typeof(value) != TYPES[row[1]]:
			_refuse("%s of another type in %s" % [name, kind])
			return false
		var size = value
		if row[1] == "text":
			size = value.length()
		elif row[1] == "list" or row[1] == "map":
			size = value.size()
		elif row[1] == "bin" or row[1] == "bool":
			size = row[2]
		if size < row[2] or size > row[3]:
			_refuse("%s of %s is %s, allowed are %s to %s" % [name, kind, str(size), str(row[2]), str(row[3])])
			return false
	match kind:
		"face":
			var count = message["count"]
			return _unpacked(message, "weights", count * message["width"]) and _unpacked(message, "head", 3 * count)
		"audio":
			return _unpacked(message, "samples", message["count"])
		"event":
			return _scalars(message["data"])
		"hello":
			for list in [message["names"], message["head"], message["styles"]]:
				if list != null and not _texts(list):
					return false
			return _streams(message["streams"])
	return true


func _unpacked(message, name, count):
	var bytes = message[name]
	if bytes.size() != 4 * count:
		_refuse("%s has %d bytes, expected are %d" % [name, bytes.size(), 4 * count])
		return false
	var buffer = StreamPeerBuffer.new()
	buffer.data_array = bytes
	var floats = []
	for _i in range(count):
		var value = buffer.get_float()
		if is_nan(value) or is_inf(value):
			_refuse("%s with a value that is not finite" % name)
			return false
		floats.append(value)
	message[name] = floats
	return true


func _scalars(data):
	for key in data:
		var kind = typeof(data[key])
		if key.length() > MAX_TEXT or kind == TYPES["list"] or kind == TYPES["map"] or kind == TYPES["bin"]:
			_refuse("data that are not scalars")
			return false
	return true


func _texts(list):
	for entry in list:
		if typeof(entry) != TYPES["text"] or entry.length() > MAX_TEXT:
			_refuse("a list with an entry that is no short text")
			return false
	return true


func _streams(list):
	for stream in list:
		if typeof(stream) != TYPES["map"]:
			_refuse("a stream that is no map")
			return false
		if not _checked(stream, "stream"):
			return false
		if stream["face"] != null and not _checked(stream["face"], "face"):
			return false
	return true
