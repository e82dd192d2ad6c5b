"""What a broker is told, and what it says of us."""
