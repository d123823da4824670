"""Files: written whole or not at all, locked, and what fails at them."""
