"""Tables of trained configurations, on which score rules, samplers and promotion rules are compared in seconds."""
