"""`driftd demo`: an embedded broker, real flights with one planted fault, and the daemon that finds it."""
