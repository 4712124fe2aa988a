"""Live shell: asyncio ports and adapters around the same compiled core."""
