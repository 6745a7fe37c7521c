"""AWS behind the ports; nothing here imports boto3 or botocore before the first client is made."""
