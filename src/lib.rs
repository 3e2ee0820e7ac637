//! ringpost: follows the calls of a PBX over AMI and posts them to the CRM.
