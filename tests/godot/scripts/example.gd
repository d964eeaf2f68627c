# The example's scene: says what it found, waits for a face, and saves a picture where there is a window.
extends SceneTree


func _init():
	call_deferred("_begin")


func _begin():
	Engine.target_fps = 30
	var describe = load(OS.get_environment("DESCRIBE"))
	var scene = load("res://example/face.tscn").instance()
	get_root().add_child(scene)
	var face = scene._face
	face.url = OS.get_environment("URL")
	face._connect_to_bridge()
	while face.names.size() == 0:
		yield(self, "idle_frame")
	print("BOUND ", describe.json({"missing": face.missing, "head": face._head_node.name, "bindings": face._bindings.size()}))
	while not face.speaking:
		yield(self, "idle_frame")
	for _i in range(5):
		yield(self, "idle_frame")
	var shown = {}
	for binding in face._bindings:
		shown[face.names[binding[2]]] = binding[0].get(binding[1])
	print("SHOWN ", describe.json(shown))
	if OS.get_environment("PICTURE") != "":
		var image = get_root().get_texture().get_data()
		image.flip_y()
		image.save_png(OS.get_environment("PICTURE"))
	print("DONE")
	quit()
