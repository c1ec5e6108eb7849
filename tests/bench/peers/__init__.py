"""What a user would write without this package, each a script from the README of its library."""
