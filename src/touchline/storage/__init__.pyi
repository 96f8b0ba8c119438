from touchline.storage.database import Database as Database
from touchline.storage.leases import Lease as Lease
from touchline.storage.leases import hold_lease as hold_lease
from touchline.storage.objects import ObjectStore as ObjectStore
from touchline.storage.objects import open_objects as open_objects
from touchline.storage.stores import ROW_GROUP as ROW_GROUP
from touchline.storage.stores import DataStores as DataStores
from touchline.storage.stores import parquet_bytes as parquet_bytes
