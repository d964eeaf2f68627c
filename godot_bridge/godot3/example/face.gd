# A head that speaks what a bridge says, by `toktalk web` or `toktalk demo`. Space interrupts it.
extends Spatial

const HEAD = "res://example/head.glb"
const Face = preload("res://addons/toktalk/toktalk_face.gd")

var _face = null


func _ready():
	if not ResourceLoader.exists(HEAD):
		push_error("%s is missing: python -m toktalk_node.face.plain_head godot_bridge/godot3/example/head.glb" % HEAD)
		return
	var model = load(HEAD).instance()
	add_child(model)
	_color(model)
	_face = Face.new()
	model.add_child(_face)


# The head is painted by its vertices, which Godot 3 does not take over from a glTF.
func _color(node):
	if node is MeshInstance:
		for i in range(node.mesh.get_surface_count()):
			node.mesh.surface_get_material(i).vertex_color_use_as_albedo = true
	for child in node.get_children():
		_color(child)


func _process(_delta):
	if _face == null:
		return
	var state = "no bridge at " + _face.url
	if _face.connected:
		state = "speaking" if _face.speaking else "ready"
	$Status.text = state


func _unhandled_key_input(event):
	if event.pressed and event.scancode == KEY_SPACE and _face != null:
		_face.interrupt()
