"""HTTP routes over ``model``; nothing here knows the screen."""
