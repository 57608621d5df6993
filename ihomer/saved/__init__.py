"""What a file holds of each object, and how the object is made of it again, with everything in it checked."""
