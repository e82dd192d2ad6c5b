"""The variables of a broker, and its actuator."""
