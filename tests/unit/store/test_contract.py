from tests.contracts.store_contract import StoreContract


class TestSqlStore(StoreContract):
    """The database fulfils the contract of a store."""
