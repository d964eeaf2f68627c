# A value as a line of JSON, integers with all their digits.


static func json(value):
	var kind = typeof(value)
	if value == null:
		return "null"
	if kind == typeof(true):
		return "true" if value else "false"
	if kind == typeof(0):
		return str(value)
	if kind == typeof(0.0):
		return "%.9f" % value if abs(value) < 1000000000.0 else "1e300"
	if kind == typeof({}):
		var entries = []
		for key in value:
			entries.append(json(str(key)) + ":" + json(value[key]))
		return "{" + join(entries) + "}"
	if kind == typeof(""):
		return "\"" + value.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t") + "\""
	var parts = []
	for entry in value:
		parts.append(json(entry))
	return "[" + join(parts) + "]"


static func join(parts):
	var out = ""
	for i in range(parts.size()):
		out += ("," if i > 0 else "") + parts[i]
	return out
