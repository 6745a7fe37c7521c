"""The operator's command `mailbearer`."""
