"""The accounts of staff, as far as tickets depend on them: who approves, who handles, which units there are."""
