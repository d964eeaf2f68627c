# Prints what the wire makes of the cases in the environment: what decodes, what is refused, what clocks hold.
extends SceneTree

const Wire = preload("res://addons/toktalk/wire.gd")
const Msgpack = preload("res://addons/toktalk/msgpack.gd")
const ClockFilter = preload("res://addons/toktalk/clock.gd")
const Names = preload("res://addons/toktalk/names.gd")


func _init():
	var Describe = load(OS.get_environment("DESCRIBE"))
	var wire = Wire.new()
	for line in OS.get_environment("MESSAGES").split(" ", false):
		var parts = line.split("|")
		var before = wire.errors
		var message = wire.decode_parts(Marshalls.base64_to_raw(parts[0]), Marshalls.base64_to_raw(parts[1]))
		if message == null:
			print("REFUSED ", wire.errors - before, " ", wire.error)
		else:
			print("MESSAGE ", Describe.json(message["body"]))
	for line in OS.get_environment("PACKETS").split(" ", false):
		print("PACKET ", "taken" if wire.decode(Marshalls.base64_to_raw(line)) != null else "refused")
	var msgpack = Msgpack.new()
	for line in OS.get_environment("MAPS").split(" ", false):
		print("MAP ", Marshalls.raw_to_base64(msgpack.encode(msgpack.decode(Marshalls.base64_to_raw(line)))))
	for line in OS.get_environment("CLOCKS").split(" ", false):
		var filter = ClockFilter.new()
		var held = []
		for exchange in line.split("|"):
			var t = exchange.split(",")
			filter.add(int(t[0]), int(t[1]), int(t[2]), int(t[3]))
			held.append([filter.offset_ns, filter.delay_ns])
		print("CLOCK ", Describe.json(held))
	var targets = OS.get_environment("TARGETS").split(" ", false)
	if targets.size() > 0:
		print("MATCHED ", Describe.json(Names.match_all(OS.get_environment("NAMES").split(" ", false), targets)))
	print("DONE ", wire.errors)
	quit()
