# What a face does while nobody speaks through it: it blinks, and looks around a little. The times are those of the web
# viewer (src/idle.js): a blink of 0.19 s every 2.4 to 5.6 s, one in seven doubled; every 1.2 to 3.8 s a glance, and back.
# Written in what the languages of Godot 3 and Godot 4 share: the same file serves both.

const BLINK = 0.19  # s
const CLOSING = 0.4  # of it: a lid falls faster than it rises
const TWICE = 0.15  # of the blinks are followed by another at once
const GLANCE = 0.22  # of the way that the eyes can go
const TURN = 0.09  # s in which they do
const FIRST_BLINK = 2.5  # s
const FIRST_GLANCE = 2.0

var _places = {}  # name of a shape of the eyes -> its place among the weights
var _blink_at = FIRST_BLINK
var _blinks = 0
var _glances = 0
var _glance_until = FIRST_GLANCE
var _from = [0.0, 0.0]
var _to = [0.0, 0.0]
var _moved = 0.0


# The names of the weights, in their order.
func bind(names):
	_places = {}
	for i in range(names.size()):
		if names[i].begins_with("eyeBlink") or names[i].begins_with("eyeLook"):
			_places[names[i]] = i


# The stream moves the face at `now` (s): it blinks by itself some time later.
func rouse(now):
	_blink_at = max(_blink_at, now + 1.0)


# Write the eyes of `now` (s) into `weights`.
func apply(now, weights):
	var shut = _blink(now)
	_write(weights, "eyeBlinkLeft", shut)
	_write(weights, "eyeBlinkRight", shut)
	var eyes = _glance(now)
	_write(weights, "eyeLookOutLeft", eyes[0])
	_write(weights, "eyeLookInRight", eyes[0])
	_write(weights, "eyeLookInLeft", -eyes[0])
	_write(weights, "eyeLookOutRight", -eyes[0])
	for side in ["Left", "Right"]:
		_write(weights, "eyeLookUp" + side, eyes[1])
		_write(weights, "eyeLookDown" + side, -eyes[1])


func _write(weights, name, value):
	if _places.has(name):
		weights[_places[name]] = max(value, 0.0)


func _blink(now):
	var way = (now - _blink_at) / BLINK
	if way > 1.0:
		_blinks += 1
		var again = _noise(_blinks) < TWICE
		_blink_at = now + (0.12 if again else 2.4 + 3.2 * _noise(_blinks + 0.5))
	if way < 0.0 or way > 1.0:
		return 0.0
	return _smooth(way / CLOSING) if way < CLOSING else _smooth((1.0 - way) / (1.0 - CLOSING))


# How far the eyes look to the face's left, and up.
func _glance(now):
	if now > _glance_until:
		_glances += 1
		_from = _to
		_to = [0.0, 0.0]
		if _glances % 2 == 1:
			_to = [GLANCE * (2.0 * _noise(_glances) - 1.0), 0.6 * GLANCE * (2.0 * _noise(_glances + 0.3) - 1.0)]
		_moved = now
		_glance_until = now + 1.2 + 2.6 * _noise(_glances + 0.7)
	var way = _smooth(clamp((now - _moved) / TURN, 0.0, 1.0))
	return [_from[0] + way * (_to[0] - _from[0]), _from[1] + way * (_to[1] - _from[1])]


func _smooth(way):
	return way * way * (3.0 - 2.0 * way)


# A number in [0, 1) that looks random and is always the same for `n`.
func _noise(n):
	return abs(fmod(sin(n * 127.1 + 11.7) * 43758.5453, 1.0))
