"""Days of the schedule in seconds: the real code over the in-memory fakes and a clock that nobody waits for."""
