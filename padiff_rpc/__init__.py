"""The contract of the comparison service in Python: records, tensors on the wire, errors, transport."""
