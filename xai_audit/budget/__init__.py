"""As good an answer as some time allows; the same command again goes on from it."""
