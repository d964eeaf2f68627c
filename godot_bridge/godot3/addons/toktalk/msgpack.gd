# MessagePack, as much of it as the wire has (https://github.com/msgpack/msgpack/blob/master/spec.md).
#
# Written in what the languages of Godot 3 and Godot 4 share: the same file serves both.

const MAX_DEPTH = 16

# Why the last body was not decoded; empty when it was.
var error = ""

var _buffer = null


# The value of `bytes`; null, with `error` set, unless they are exactly one value. An extension type becomes null.
func decode(bytes):
	error = ""
	_buffer = StreamPeerBuffer.new()
	_buffer.big_endian = true
	_buffer.data_array = bytes
	var value = _value(0)
	if error == "" and _left() > 0:
		return _fail("%d bytes follow the message" % _left())
	return value if error == "" else null


# The bytes of a dictionary of texts, integers, floats, booleans and nulls.
func encode(dictionary):
	var out = StreamPeerBuffer.new()
	out.big_endian = true
	out.put_u8(0xde)
	out.put_u16(dictionary.size())
	for key in dictionary:
		_put(out, key)
		_put(out, dictionary[key])
	return out.data_array


# UTF-8 bytes of `text`.
static func text_bytes(text):
	var out = StreamPeerBuffer.new()
	out.put_utf8_string(text)
	out.seek(4)
	return out.get_data(out.get_size() - 4)[1]


# Whether `bytes` are UTF-8 (RFC 3629).
static func is_utf8(bytes):
	var i = 0
	var size = bytes.size()
	while i < size:
		var first = bytes[i]
		i += 1
		if first < 0x80:
			continue
		var more = 1 if first < 0xe0 else (2 if first < 0xf0 else 3)
		if first < 0xc2 or first > 0xf4 or i + more > size:
			return false
		var low = {0xe0: 0xa0, 0xf0: 0x90}.get(first, 0x80)
		var high = {0xed: 0x9f, 0xf4: 0x8f}.get(first, 0xbf)
		for k in range(more):
			if bytes[i + k] < (low if k == 0 else 0x80) or bytes[i + k] > (high if k == 0 else 0xbf):
				return false
		i += more
	return true


func _left():
	return _buffer.get_size() - _buffer.get_position()


func _fail(text):
	if error == "":
		error = text
	return null


# Whether `size` more bytes are there.
func _has(size):
	if error == "" and size > _left():
		_fail("cut short: %d bytes of %d" % [_left(), size])
	return error == ""


func _value(depth):
	if depth > MAX_DEPTH:
		return _fail("nested more than %d deep" % MAX_DEPTH)
	if not _has(1):
		return null
	var tag = _buffer.get_u8()
	if tag < 0x80:
		return tag
	if tag < 0x90:
		return _map(tag & 0x0f, depth)
	if tag < 0xa0:
		return _list(tag & 0x0f, depth)
	if tag < 0xc0:
		return _text(tag & 0x1f)
	if tag >= 0xe0:
		return tag - 256
	match tag:
		0xc0:
			return null
		0xc2:
			return false
		0xc3:
			return true
		0xc4, 0xc5, 0xc6:
			return _bytes(_unsigned(tag - 0xc4))
		0xc7, 0xc8, 0xc9:
			_bytes(_unsigned(tag - 0xc7) + 1)
			return null
		0xca:
			return _buffer.get_float() if _has(4) else null
		0xcb:
			return _buffer.get_double() if _has(8) else null
		0xcc, 0xcd, 0xce:
			return _unsigned(tag - 0xcc)
		0xcf:
			if not _has(8):
				return null
			var large = _buffer.get_u64()
			# beyond 64 bits with sign: no field of the wire is so large, and no integer here can be
			return large if large >= 0 else 18446744073709551616.0 + large
		0xd0:
			return _buffer.get_8() if _has(1) else null
		0xd1:
			return _buffer.get_16() if _has(2) else null
		0xd2:
			return _buffer.get_32() if _has(4) else null
		0xd3:
			return _buffer.get_64() if _has(8) else null
		0xd4, 0xd5, 0xd6, 0xd7, 0xd8:
			_bytes((1 << (tag - 0xd4)) + 1)
			return null
		0xd9, 0xda, 0xdb:
			return _text(_unsigned(tag - 0xd9))
		0xdc, 0xdd:
			return _list(_unsigned(tag - 0xdb), depth)
		0xde, 0xdf:
			return _map(_unsigned(tag - 0xdd), depth)
	return _fail("a byte 0x%x that MessagePack does not have" % tag)


# An unsigned integer of 1, 2 or 4 bytes, for `power` 0, 1 or 2; 0 after an error.
func _unsigned(power):
	if not _has(1 << power):
		return 0
	if power == 0:
		return _buffer.get_u8()
	return _buffer.get_u16() if power == 1 else _buffer.get_u32()


func _bytes(size):
	return _buffer.get_data(size)[1] if _has(size) else null


func _text(size):
	var bytes = _bytes(size)
	if error != "":
		return null
	if not is_utf8(bytes):
		return _fail("a text that is not UTF-8")
	return bytes.get_string_from_utf8()


func _list(size, depth):
	var list = []
	if not _has(size):
		return null
	for _i in range(size):
		list.append(_value(depth + 1))
		if error != "":
			return null
	return list


func _map(size, depth):
	var map = {}
	if not _has(2 * size):
		return null
	for _i in range(size):
		var key = _value(depth + 1)
		var value = _value(depth + 1)
		if error != "":
			return null
		if typeof(key) != typeof(""):
			return _fail("a key that is no text")
		map[key] = value
	return map


func _put(out, value):
	if value == null:
		out.put_u8(0xc0)
	elif typeof(value) == typeof(true):
		out.put_u8(0xc3 if value else 0xc2)
	elif typeof(value) == typeof(0):
		out.put_u8(0xd3)
		out.put_64(value)
	elif typeof(value) == typeof(0.0):
		out.put_u8(0xcb)
		out.put_double(value)
	else:
		var bytes = text_bytes(str(value))
		out.put_u8(0xdb)
		out.put_u32(bytes.size())
		out.put_data(bytes)
