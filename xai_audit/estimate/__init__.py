"""What an audit would cost: a few photos are audited in earnest, the rest is arithmetic."""
