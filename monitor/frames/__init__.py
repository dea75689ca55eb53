"""Tables and values of other libraries as plain Python values, which events can hold."""
