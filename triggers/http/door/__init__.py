"""What every request passes before its endpoint: who is it, what may it, and is there room."""
