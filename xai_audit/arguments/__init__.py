"""What the arguments of ``xai_audit.audit`` mean, as overrides of the command line."""
