"""What people read: a pure function of saved runs."""
