@tool
extends EditorPlugin
# The node ToktalkFace registers itself by its class name; there is nothing to add to the editor.
