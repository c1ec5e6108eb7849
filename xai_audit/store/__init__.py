"""Files at addresses of object stores: how they are named, read, retried and kept on the disk."""
