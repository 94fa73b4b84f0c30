"""The commands of `deeplab-search`, one module each: they read what a user asks for and call the rooms below."""
