"""A nightly run, in the words of crontab, systemd and launchd."""
