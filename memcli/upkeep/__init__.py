"""What people do to the memories themselves: add, edit, forget, undo, plan, audit."""
