# A head that speaks what a bridge says, by `toktalk web` or `toktalk demo`. Space interrupts it.
extends Node3D

const HEAD = "res://example/head.glb"
const Face = preload("res://addons/toktalk/toktalk_face.gd")

var _face = null


func _ready():
	if not ResourceLoader.exists(HEAD):
		push_error("%s is missing: python -m toktalk_node.face.plain_head godot_bridge/example/head.glb" % HEAD)
		return
	var avatar = load(HEAD).instantiate()
	add_child(avatar)
	_face = Face.new()
	avatar.add_child(_face)


func _process(_delta):
	if _face == null:
		return
	var state = "no bridge at " + _face.url
	if _face.connected:
		state = "speaking" if _face.speaking else "ready"
	$Status.text = state


func _unhandled_key_input(event):
	if event.pressed and event.keycode == KEY_SPACE and _face != null:
		_face.interrupt()
