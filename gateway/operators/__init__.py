"""Who administers: operators, their passwords, sessions and tokens. Lives in the control process."""
