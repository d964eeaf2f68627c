import{a,b,c,d,e,f}from"./chunk-L4V6M3H5.js";export{a as ClockFilter,c as ProtocolError,b as VERSION,f as Wire,d as decode,e as encode};
