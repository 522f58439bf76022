"""The modules and calls that existing code of capibara6 imports. No logic: everything goes through the helpers."""
