"""The workers that live, by what each writes of itself every few seconds."""
