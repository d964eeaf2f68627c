# Playout of one stream: which samples go to the output next, and which face belongs to the sample that is heard.
#
# Samples are counted on a line, from the first one that was written to the output. Pieces of sound lie on that line
# with their presentation times (pts), so that the time that is heard follows from the number of the sample that is
# heard, and a late face catches up by itself. Where no sound is near, the bridge's clock is the time. All times are
# nanoseconds.
#
# Sound is resampled here to the rate of the engine's mixer (cubic, 2 samples late), because the engine takes samples in
# blocks: at the mixer's own rate every mix finds the same number of them taken ahead, and the place is known exactly.
# Written in what the languages of Godot 3 and Godot 4 share: the same file serves both.

const SECOND = 1000000000
const JITTER = 80000000  # silence before sound that comes late, so that the rest of it need not
const MOST_JITTER = 640000000  # after underruns, each of which doubles it
const NEAR = 1000000000  # how far beyond its ends a piece of sound is the time
const KEEP = 1000000000  # face kept behind what is heard
const HOLD = 120000000  # how long the last frame holds before the face comes to rest
const SETTLE = 220000000  # in which it does
const AJAR = 0.1  # of jawOpen less mouthClose, beyond which no face is at rest
const SHUT = 0.5  # of eyeBlinkLeft, likewise
const MOST_TURNS = 256
const AHEAD = 600000000000  # a face further ahead of its time is refused
const MOST_AT_ONCE = 2048  # samples that are resampled in one picture
const MOST_SINCE = 0.1  # s between two questions of an output
const SLOWEST = 0.9  # of the speed of this machine's clock is what an output keeps at least
const TAIL = 3  # samples of the piece before that the resampler needs
const MOST_INDEX = 1000000000000  # samples and frames since a stream began
const MOST_PTS = 4000000000000000000  # the year 2096
const MOST_FRAMES = 30000
const MOST_SAMPLES = 8388608
const MOST_PIECES = 10000
const MOST_TURN = 1.5  # radians

var rate = 0  # samples per second of the line: the mixer's
var written = 0  # samples that went to the output
var epoch_ns = null  # pts of the stream's media time 0
var frames_taken = 0
var samples_taken = 0
var late_frames = 0  # arrived after their time
var underruns = 0  # sound came too late and was heard later
var overflows = 0  # messages refused because too much waits
var frame_pts = null  # pts of the frame that was shown last
var names = []  # of the weights
var resting = null  # the face at rest, where the stream came to its end in one: [weights, head]

# Sound still to be written: [index on the line, its length there, tail and samples, their rate, first].
var _waiting = []
var _stored = 0
var _pieces = []  # sound on the line: [index, pts, length]
var _tail = []  # the last samples that came, and the rate that they had
var _tail_rate = 0
var _frames = []  # [pts, step, weights, head] by pts
var _still = null  # the face until a frame comes: [weights, head]
var _over = false  # the last utterance has ended
var _turns = []  # begins and ends whose instant was not heard yet: [pts, whether it is an end]
var _jitter = JITTER
var _heard = null  # [sample, ticks] of the last estimate

# The sample that leaves the mixer now, a float. `queued` samples of those written still wait in the engine, which has
# taken `taken` more before they are mixed; the output asked for sound `since` seconds ago, `ticks` is this machine's
# clock. The mixer may work for several of the output's questions at once, so that this is at times too early by one of
# them, and never too late: it is the line along which the latest ones lie.
func heard_index(queued, taken, since, ticks):
	var least = written - queued - taken + min(since, MOST_SINCE) * rate
	if _heard == null:
		_heard = [least, ticks]
	var passed = SLOWEST * (ticks - _heard[1]) * rate / SECOND
	_heard = [clamp(_heard[0] + passed, least, least + MOST_SINCE * rate), ticks]
	return _heard[0]


# Take a Face that arrived when the bridge's clock was `now`, and `heard` was heard.
func face(message, now, heard):
	while _frames.size() > 0 and _frames[0][0] < heard - KEEP:
		_frames.pop_front()
	if not _possible(message, now) or _frames.size() + message["count"] > MOST_FRAMES:
		overflows += 1
		return
	var pts = message["pts_ns"]
	epoch_ns = _epoch(message, message["fps"])
	_still = null
	var width = message["width"]
	var step = SECOND / message["fps"]
	for k in range(message["count"]):
		var weights = []
		for i in range(k * width, (k + 1) * width):
			weights.append(clamp(message["weights"][i], 0.0, 1.0))
		var head = []
		for i in range(3 * k, 3 * k + 3):
			head.append(clamp(message["head"][i], -MOST_TURN, MOST_TURN))
		var at = pts + k * SECOND / message["fps"]
		if at + step < heard:
			late_frames += 1
		_insert([at, step, weights, head])
		if _over and _turns.size() == 0 and k == message["count"] - 1:
			_settle(weights, head)
	frames_taken += message["count"]


# Take an Audio; `lag` is how long a sample that is written now takes until it is heard.
func audio(message, now, lag):
	var count = message["count"]
	if not _possible(message, now) or _stored + count > MOST_SAMPLES or _pieces.size() >= MOST_PIECES:
		overflows += 1
		return
	var pts = message["pts_ns"]
	var from = message["rate"]
	epoch_ns = _epoch(message, from)
	if count == 0:
		return
	# as many samples of the line as there are until the next message's first one
	var first = message["start"] * rate / from
	var length = (message["start"] + count) * rate / from - first
	var index = null
	var late = false
	var contiguous = false
	var end = 0
	if _pieces.size() > 0:
		var last = _pieces[_pieces.size() - 1]
		end = last[0] + last[2]
		contiguous = abs(pts - last[1] - last[2] * SECOND / rate) < SECOND / 1000
		if contiguous:
			index = end
			late = index < written
		elif end > written and pts > last[1] and pts - last[1] < AHEAD:
			index = last[0] + int((pts - last[1]) * rate / SECOND)
	if late:
		underruns += 1
		_jitter = int(min(2 * _jitter, MOST_JITTER))
	if index == null or late:
		var wait = pts - now - lag
		index = written + int((wait if wait >= 0 else _jitter) * rate / SECOND)
	index = int(max(index, end))
	if not contiguous or _tail_rate != from:
		_tail = [0.0, 0.0, 0.0]
	_pieces.append([index, pts, length])
	_waiting.append([index, length, _tail + message["samples"], from, message["start"]])
	_tail = []
	for i in range(int(max(0, count - TAIL)), count):
		_tail.append(message["samples"][i])
	while _tail.size() < TAIL:
		_tail.push_front(0.0)
	_tail_rate = from
	_stored += count
	samples_taken += count


# Whether times and places are such as can be reckoned with, and not far ahead.
func _possible(message, now):
	var pts = message["pts_ns"]
	var start = message["start"]
	return pts > -MOST_PTS and pts < MOST_PTS and pts - now < AHEAD and start > -MOST_INDEX and start < MOST_INDEX


# The pts of media time 0, by a message of `per_second` frames or samples.
func _epoch(message, per_second):
	var start = message["start"]
	return message["pts_ns"] - start / per_second * SECOND - start % per_second * SECOND / per_second


# How many samples to write now, so that at least `least` are ahead, and of sound that is there up to `most`.
func wanted(queued, least, most):
	var sound = 0
	if _waiting.size() > 0:
		var last = _waiting[_waiting.size() - 1]
		sound = last[0] + last[1] - written
	return int(min(max(least - queued, min(most - queued, sound)), MOST_AT_ONCE))


# The next `count` samples for the output, silence where nothing is due.
func pull(count):
	var out = []
	var end = written + count
	while out.size() < count:
		var gap = count - out.size()
		if _waiting.size() > 0:
			gap = int(min(gap, _waiting[0][0] - written - out.size()))
		for _i in range(gap):
			out.append(0.0)
		if out.size() < count:
			var piece = _waiting[0]
			var begin = written + out.size() - piece[0]
			var stop = int(min(piece[1], begin + count - out.size()))
			_resample(piece, begin, stop, out)
			if stop == piece[1]:
				_waiting.pop_front()
				_stored -= piece[2].size() - TAIL
	written = end
	return out


# Append the samples `begin` to `stop` of `piece` at the line's rate to `out` (Catmull-Rom spline).
func _resample(piece, begin, stop, out):
	var buffer = piece[2]
	var from = piece[3]
	if from == rate:
		for i in range(begin, stop):
			out.append(buffer[i + TAIL])
		return
	var first = piece[4] * rate / from
	var offset = piece[4] * rate - rate
	var step = 1.0 / rate
	for i in range(begin, stop):
		# in units of 1 / rate input samples, an integer, so that pieces join without a click
		var place = (first + i) * from - offset
		if place < rate:
			place = rate
		var k = place / rate
		var t = (place - k * rate) * step
		var b = buffer[k]
		var c = buffer[k + 1]
		var slope_b = 0.5 * (c - buffer[k - 1])
		var slope_c = 0.5 * (buffer[k + 2] - b)
		var rise = c - b
		out.append(b + t * (slope_b + t * (3.0 * rise - 2.0 * slope_b - slope_c + t * (slope_b + slope_c - 2.0 * rise))))


# The pts of the sample `index` of the line; `now`, the bridge's clock, where no sound is near.
func pts_of(index, now):
	if rate == 0:
		return now
	while _pieces.size() > 1 and _pieces[1][0] <= index:
		_pieces.pop_front()
	if _pieces.size() == 0:
		return now
	var piece = _pieces[0]
	var off = (index - piece[0]) * SECOND / rate
	var beyond = off - piece[2] * SECOND / rate
	if _pieces.size() > 1 and beyond > 0:
		var next = _pieces[1]
		var until = (next[0] - index) * SECOND / rate
		if until < beyond:
			return next[1] - int(until)
	if off < -NEAR or beyond > NEAR:
		return now
	return piece[1] + int(off)


# All that was announced for `pts` and later is void. Returns whether some of it went to the output already: then the
# output must be emptied, and `restart` called.
func cut(pts):
	while _frames.size() > 0 and _frames[_frames.size() - 1][0] >= pts:
		_frames.pop_back()
	while _turns.size() > 0 and _turns[_turns.size() - 1][0] >= pts:
		_turns.pop_back()
	_over = true
	var kept = []
	for piece in _pieces:
		if piece[1] + piece[2] * SECOND / rate <= pts:
			kept.append(piece)
	var cuts = kept.size() < _pieces.size()
	if not cuts:
		return false
	var first = _pieces[kept.size()][0]
	_pieces = kept
	while _waiting.size() > 0 and _waiting[_waiting.size() - 1][0] >= first:
		_stored -= _waiting.pop_back()[2].size() - TAIL
	return first < written


# A new line: the output is empty, and nothing that was sent to it or waited is heard.
func restart(new_rate):
	rate = new_rate
	written = 0
	_waiting = []
	_pieces = []
	_stored = 0
	_heard = null


# Forget the stream.
func clear():
	restart(rate)
	_frames = []
	_still = null
	_turns = []
	_over = false
	resting = null
	_jitter = JITTER
	epoch_ns = null


# The face to show until a frame comes; `ended`: the stream came to its end in it.
func still(message, ended):
	if _frames.size() > 0 or message["count"] == 0:
		return
	var last = (message["count"] - 1) * message["width"]
	var weights = _slice(message["weights"], last, message["width"])
	var angles = _slice(message["head"], 3 * (message["count"] - 1), 3)
	_over = ended
	_still = null if ended and _settle(weights, angles) else [weights, angles]


# An utterance begins or ends at `pts`.
func turn(pts, is_end):
	if _turns.size() >= MOST_TURNS:
		_turns.pop_front()
		overflows += 1
	_turns.append([pts, is_end])


# The last frame of what ended is the face at rest, as the style has it, if lips and eyes are at ease in it.
func _settle(weights, angles):
	if _weight(weights, "jawOpen") - _weight(weights, "mouthClose") > AJAR or _weight(weights, "eyeBlinkLeft") > SHUT:
		return false
	resting = [weights.duplicate(), angles]
	for i in range(names.size()):
		if names[i].begins_with("eyeBlink") or names[i].begins_with("eyeLook"):
			resting[0][i] = 0.0  # the eyes have a life of their own
	return true


func _weight(weights, name):
	var place = names.find(name)
	return weights[place] if place >= 0 else 0.0


func _slice(values, first, count):
	var out = []
	for i in range(first, first + count):
		out.append(values[i])
	return out


# The begins and ends that are heard by `pts`.
func _turn_until(pts):
	while _turns.size() > 0 and _turns[0][0] <= pts:
		var turned = _turns.pop_front()
		_over = turned[1]
		var k = _frames.size() - 1
		while k >= 0 and _frames[k][0] >= turned[0]:
			k -= 1
		if _over and k >= 0:
			_settle(_frames[k][2], _frames[k][3])


# Write weights and angles of `pts` into the arrays; whether the stream has a face then. They ease to rest after the
# last frame: to the face that the stream came to its end in, or to none.
func pose(pts, weights, head):
	_turn_until(pts)
	var k = _frames.size() - 1
	while k >= 0 and _frames[k][0] > pts:
		k -= 1
	if k < 0:
		if _still != null and _frames.size() == 0:
			_mix(weights, _still[0], _still[0], 0.0)
			_mix(head, _still[1], _still[1], 0.0)
			return true
		return _rest(weights, head)
	var frame = _frames[k]
	frame_pts = frame[0]
	if k + 1 < _frames.size() and _frames[k + 1][0] - frame[0] <= 3 * frame[1]:
		var next = _frames[k + 1]
		var way = float(pts - frame[0]) / (next[0] - frame[0])
		_mix(weights, frame[2], next[2], way)
		_mix(head, frame[3], next[3], way)
		return true
	var past = clamp(float(pts - frame[0] - frame[1] - HOLD) / SETTLE, 0.0, 1.0)
	if past == 1.0:
		return _rest(weights, head)
	var share = past * past * (3.0 - 2.0 * past)
	_rest(weights, head)
	_mix(weights, frame[2], weights, share)
	_mix(head, frame[3], head, share)
	return true


func _insert(frame):
	var at = _frames.size()
	while at > 0 and _frames[at - 1][0] > frame[0]:
		at -= 1
	if at > 0 and frame[0] - _frames[at - 1][0] < frame[1] / 2:
		_frames[at - 1] = frame
	else:
		_frames.insert(at, frame)


func _rest(weights, head):
	var rest = [[], []] if resting == null else resting
	_mix(weights, rest[0], rest[0], 0.0)
	_mix(head, rest[1], rest[1], 0.0)
	return false


func _mix(out, a, b, way):
	for i in range(out.size()):
		out[i] = a[i] + way * (b[i] - a[i]) if i < a.size() and i < b.size() else 0.0
