# ARKit's names as other people's meshes write them: prefixes, letter case, `_L` and `_R`.
#
# Written in what the languages of Godot 3 and Godot 4 share: the same file serves both.

const LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


# `name` without separators and letter case, its side written out: "Mesh.eyeBlink_L" is "mesheyeblinkleft".
static func plain(name):
	var low = name.to_lower()
	for side in [["l", "left"], ["r", "right"]]:
		for separator in ["_", ".", "-", " "]:
			if low.ends_with(separator + side[0]):
				low = low.substr(0, low.length() - 1) + side[1]
	var out = ""
	for i in range(low.length()):
		var letter = low.substr(i, 1)
		if LETTERS.find(letter) >= 0:
			out += letter
	return out


# For each of `targets` the index in `names` of what it means, -1 where it means none; the longest name wins.
static func match_all(names, targets):
	var plain_names = []
	for name in names:
		plain_names.append(plain(name))
	var found = []
	for target in targets:
		var short = plain(target)
		var best = -1
		for i in range(plain_names.size()):
			if short.ends_with(plain_names[i]) and plain_names[i] != "":
				if best < 0 or plain_names[i].length() > plain_names[best].length():
					best = i
		found.append(best)
	return found
