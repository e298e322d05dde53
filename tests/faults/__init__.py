"""Things that go wrong between Strata and its stores, on demand."""
