"""What was told, in the forms that other platforms read: one file a form."""
