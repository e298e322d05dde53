"""What things do: ports, and one package a feature. No drivers, no environment, no wall clock."""
