"""Running one study: the loop, interrupts, trial specifications, decoding of images, mending, and the end."""
