"""What a face is: blendshape names, the head mesh, rest and behaviours."""
