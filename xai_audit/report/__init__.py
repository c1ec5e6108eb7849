"""The report of a finished run, drawn from its tables; never imports torch."""
