"""Jobs that notice when somebody else imports while they are imported."""
