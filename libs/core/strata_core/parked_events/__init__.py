"""Events that failed too often: seen with their reason, and set going again by people."""
