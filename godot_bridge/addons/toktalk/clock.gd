# The offset between the bridge's clock and this one, from four stamps in nanoseconds (docs/protocol.md, "One clock").
#
# Written in what the languages of Godot 3 and Godot 4 share: the same file serves both.

const KEPT = 16
const DRIFT = 20000  # two clocks drift apart by at most 1 ns in this many

var offset_ns = 0  # bridge's clock minus this one
var delay_ns = 0  # round trip of the exchange that gave the offset

var _kept = []  # [arrived, delay, offset]


# Take one exchange in: sent, received there, answered there, arrived.
func add(t1, t2, t3, t4):
	var delay = (t4 - t1) - (t3 - t2)
	if delay < 0 or t4 < t1:
		return
	var offset = _half((t2 - t1) + (t3 - t4))
	if _kept.size() > 0:
		var best = _best(t4)
		if abs(offset - best[2]) > _half(delay + best[1]) + _share(t4 - best[0]):
			_kept.clear()
	_kept.append([t4, delay, offset])
	if _kept.size() > KEPT:
		_kept.pop_front()
	var chosen = _best(t4)
	delay_ns = chosen[1]
	offset_ns = chosen[2]


# Forget every exchange: it is another bridge's clock from now on.
func clear():
	_kept.clear()


# Whether an exchange is known.
func is_set():
	return _kept.size() > 0


func _best(now):
	var best = null
	var least = 0
	for kept in _kept:
		var doubt = _half(kept[1]) + _share(now - kept[0])
		if best == null or doubt < least:
			best = kept
			least = doubt
	return best


# Half of an integer, rounded down; a shift would do it, but Godot 4 shifts nothing below 0.
func _half(value):
	return (value - (value & 1)) / 2


func _share(age):
	return int(abs(age)) / DRIFT
