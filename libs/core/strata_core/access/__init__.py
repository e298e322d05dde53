"""Who is asking and what they may do: permissions, API keys, sessions, sign-in."""
