"""Discard servers: each takes PORT [CERTFILE KEYFILE], keeps no message; with files it speaks TLS at once."""
