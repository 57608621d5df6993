import pickle, os, hashlib
class ModelFileError(ValueError): pass
def pack(obj, classes=None): 
    b=pickle.dumps(obj); return hashlib.sha256(b).digest()+b
def unpack(b, classes=None):
    b=bytes(b)
    if hashlib.sha256(b[32:]).digest()!=b[:32]: raise ModelFileError("damaged")
    return pickle.loads(b[32:])
def read_file(p): return open(p,"rb").read()
def write_file(p, b):
    t=str(p)+".tmp"
    with open(t,"wb") as f:
        f.write(b); f.flush(); os.fsync(f.fileno())
    os.replace(t,p)
