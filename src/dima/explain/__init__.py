"""Why a model says what it says: how sure it is, what would change its mind, which way a class lies."""
